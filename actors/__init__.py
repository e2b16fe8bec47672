"""The executor: placement, mailboxes, worker lifecycle, durability, engine and host interfaces."""
