"""An error that somebody pasted, and a world -> what explains it, by the checklist of a person who debugs a timeout."""
