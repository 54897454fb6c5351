"""From a file's bytes to frames of pixels. Runs in a child process; `picture` is its face.

`rules` and `jpeg_header` are pure; `jpeg`, `pillow` and `heif` each wrap one decoder.
"""
