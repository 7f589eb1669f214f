
lakedeltaupsert