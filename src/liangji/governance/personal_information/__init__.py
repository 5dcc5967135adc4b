"""个人信息与密钥: kinds, check digits, detection, masking and pseudonyms.

`kinds` is the table of what is known, `detection.find` and `detection.find_in` find it, `masking` replaces it. The operators
stand in `pipeline.evaluation.personal_information` and `pipeline.cleaning.personal_information`.
"""
