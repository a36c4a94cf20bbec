"""An audit: do samples of any generator copy the images that it was trained on?"""
