"""What a run leaves behind: its name, its record, and which setting validation chose.

May import: no other room.
"""
