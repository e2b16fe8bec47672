"""The executor: placement, mailboxes, worker lifecycle, durability, the engine and host interfaces."""
