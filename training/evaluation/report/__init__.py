"""Result files, and the tables that are made from them."""
