"""The My Number card, from APDU to verified certificate; JOSE; the page kit; the loopback bridge."""
