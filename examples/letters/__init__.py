"""An agent inside a workflow of one's own: letters are answered side by side, each by a run."""
