"""A pack of made files with what a scan must say of each, so that an installation can be validated.

`pictures`, `broken`, `containers` and `videos` make the files, all ordinary or computed. `expect`
says what must come out and holds a row against it. `pack` puts them on disk, `check` compares.
What is expected are verdicts, codes, flags, orientations and bounds of distances, never the hash of
a lossy file: encoders differ from machine to machine.
"""
