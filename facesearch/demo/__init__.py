"""The main job from nothing, offline."""
