"""Does the text do what the controls ask?"""
