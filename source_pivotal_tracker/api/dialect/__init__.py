"""How the v5 of other servers differs from Tracker's own, and what is done about each difference.

| A server may | Here |
| --- | --- |
| call attributes by other names | `attributes.py` renames them |
| write times as numbers, and texts that no database takes | `values.py` puts them in Tracker's form |
| refuse attributes that `fields` names | `selection.py` finds which, and asks for all the others |
| ignore parameters, send no headers, lack endpoints | `capabilities.py` notes it; each has its cost in requests |

`tracker_server/api/dialect.py` is the other side: a server with each of these differences as a switch.
"""
