
 lakesd95710684684fff0e