"""From a container to what is in it. Runs in a child process; `walk` is its face.

`rules`, `mime`, `transfer` and `tar_header` are pure. `packed` and `inflate` turn packed bytes into
sources; `cursor` reads forward. `zip_reader`, `tar_reader`, `seven_zip`, `single` (one file,
compressed), `mbox`, `mail` and `pdf` each read one kind of container, with the modules named after
them.
"""
