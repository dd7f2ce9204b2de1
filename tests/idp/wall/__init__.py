"""The tenant wall: every route, with every kind of identifier and token of the ward next door."""
