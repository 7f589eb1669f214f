
 lakesf95710684684fff0e