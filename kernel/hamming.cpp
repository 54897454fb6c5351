// hamming
