"""The face finder: where in a photo of any size are the faces?"""
