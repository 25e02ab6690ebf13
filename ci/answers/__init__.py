"""What the JSON API answers: the server makes it, `ci.client` reads it, the document describes it.

The text below a field is what the API's document says of it.
"""
