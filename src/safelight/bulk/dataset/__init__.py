"""Auditing a data set: shard by shard, each with a part of the result of its own.

`request` is what was asked. `layout` and `listing` tell shards apart. `work` examines one, `run`
several at once. `state` keeps what was done on disk.
"""
