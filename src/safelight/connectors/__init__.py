"""One file per outside format or party. Nothing here needs a database."""
