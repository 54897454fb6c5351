"""Child processes that work on untrusted bytes under limits; knows nothing about images.

`pool.ChildPool` is what the parent uses; `child` is the program a child runs.
"""
