"""`tether dev --app examples.letters.app:app`."""

from examples.letters.workflow import AnswerLetters
from examples.quickstart import desk
from tether import App

app = App(agents=[desk], workflows=[AnswerLetters])
