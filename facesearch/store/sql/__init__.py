"""The roles of the store in SQL, whichever database it is; `sqlite` and `postgresql` beside it are the two."""
