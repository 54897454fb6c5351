// pdq
