"""The index of workers: who there is and how they are, in a bucket, so that no log is read for it.

    log commits ─▶ `projector` of the owner, once a second ─▶ chunks of rows ─▶ `listing`

Nothing rests on it: a row is what a worker's log said at the commit that it names, the newer one of
two counts, and all of it can be made anew from the logs (`rebuild`).
"""
