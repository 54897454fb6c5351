"""Reports of a scan: from its rows and the file about them, without the medium, and no pictures.

`gather` reads and counts. `words` says in plain words what was done and what it means. `contents`
puts both in order, once for all forms; `html` and `pdf` only draw. `table`, `summary` and `vics`
are for programs. The same rows and the same file about them give the same bytes.
"""
