"""Permissions: rules of role, tool and resource; the first that matches decides, and what none allows is denied."""
