"""A My Number card in software, with the status words of a real one.

It speaks APDUs, so the same card lies in this process (`deck.InProcessReader`) or behind the real pcscd and
vpcd (`vpcd.VpcdSlot`), where OpenSC, which we did not write, reads and signs with it. It is for the sandbox
and for tests: its keys lie in a folder.
"""
