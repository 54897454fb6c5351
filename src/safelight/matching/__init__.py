"""Matching: which entries of which hash lists a file's hashes are equal to, or near."""
