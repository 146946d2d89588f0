"""`python cli.py …` is the installed `facesearch …`."""

from facesearch.commands import main

if __name__ == "__main__":
    main()
