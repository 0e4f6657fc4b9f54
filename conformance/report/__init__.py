"""Reports: every form is made from the results document alone, so that it can be made again from a file."""
