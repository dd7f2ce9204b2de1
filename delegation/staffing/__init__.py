"""Who works for the ward: what their roles let them do, whom they looked at, and what takes two of them."""
