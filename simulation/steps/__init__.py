"""Everything that can be done to a world: what people do in it, and what goes wrong."""
