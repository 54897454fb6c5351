"""Hashes of a file's bytes (`digests`) and of its pixels (`perceptual`)."""
