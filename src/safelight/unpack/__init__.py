"""From a container to what is in it. Runs in a child process; `walk` is its face.

`rules` is pure. `packed` and `inflate` turn packed bytes into sources; `cursor` reads forward.
Every other module reads one kind of container: `zip_reader`, `tar_reader`, `seven_zip`, `single`
(one file compressed), `mbox`, `mail` and `pdf`.
"""
