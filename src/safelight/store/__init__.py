"""Everything kept in PostgreSQL. Importing this package starts nothing and needs no database.

`database.open_store` gives the Store; the functions of `lists` and `audit` take its transactions.
"""
