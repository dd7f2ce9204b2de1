"""Care offices (居宅介護支援事業所): the delegate of a `care_office` grant, through the member it designates.

Nothing of this is stored twice: whether an office stands, a member counts and a designation is in force are
conditions of the query that asks whether a grant may be used (`delegation.usability`).
"""
