"""The audit log: leaves in the transaction of what they record, numbered and chained after the commit.

Each ward has a tree of its own. A leaf carries no predecessor of the whole log, since an inline chain would
serialise every commit; it carries its writer's own counter and previous hash, so that a gap is seen. How a
writer ends, and which cut nobody sees, is told in `closing`; what is demanded of a log, in `verify`.
"""
