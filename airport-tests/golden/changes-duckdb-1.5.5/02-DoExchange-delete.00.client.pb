
 lakesc95710684684fff0e