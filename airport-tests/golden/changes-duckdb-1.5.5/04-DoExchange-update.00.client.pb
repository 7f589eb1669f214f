
 lakese95710684684fff0e