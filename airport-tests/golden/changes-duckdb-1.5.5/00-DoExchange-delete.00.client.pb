
 lakesa95710684684fff0e