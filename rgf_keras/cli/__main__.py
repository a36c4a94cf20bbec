"""`python -m rgf_keras.cli`: the same as `rgf`."""

from rgf_keras.cli import main

main()
