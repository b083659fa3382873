"""Where something hides the face, told by the colours of the photo itself."""
