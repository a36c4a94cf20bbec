"""`python -m rgf_keras.cli` runs `rgf`."""

from rgf_keras.cli import main

main()
