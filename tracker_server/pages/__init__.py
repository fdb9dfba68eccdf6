"""Pages for people: the projects of a world, their boards, stories and epics, and the search, as HTML."""
