
 lakesb95710684684fff0e