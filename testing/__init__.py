"""What tests of an agent need: the fixture, the scripted model, the recorder of histories."""
