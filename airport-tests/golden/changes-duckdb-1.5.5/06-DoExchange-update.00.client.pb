
 lakesg95710684684fff0e