"""Cameras, alignment, rasterising, normals, light, bump maps, texture and meshes: pure functions.

Import what you need from the module that holds it, e.g. ``occface_core.geometry.rasterise``. Three frames
occur, all right-handed and in mm:

* face: x towards the viewer's right, y up, z towards the viewer; the face model's own frame;
* camera: x right, y down, z away from the viewer; ``camera = face @ rotation^T + translation``;
* viewer: the camera's axes with y and z turned round (y up, z towards the viewer); normals live here.
"""
