"""The page kit: server-rendered pages in every language, with the security headers that all of them share.

It lies in the lowest layer because the bridge needs it too. Templates of a package lie in
`<package>/templates`, its texts in `<package>/locale/<language>.po`; the `.po` is read at start and is the
one source: there is no compiled file to go stale.
"""

from card.pages.catalogue import LOCALES, Catalogue, load_catalogue
from card.pages.render import Pages, Source

__all__ = ["LOCALES", "Catalogue", "Pages", "Source", "load_catalogue"]
