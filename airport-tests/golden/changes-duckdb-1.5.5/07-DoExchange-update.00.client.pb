
 lakesh95710684684fff0e