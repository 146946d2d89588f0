"""`python -m facesearch …` is `facesearch …`."""

from facesearch.commands import main

main()
