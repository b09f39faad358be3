"""Common names, towns with their postal codes, streets and trades of France and Poland, for generated customers."""


def _words(listed: str) -> list[str]:
    return listed.split()


def _phrases(listed: str) -> list[str]:
    return listed.split("|")


FRENCH_MEN = _words(
    "Jean Pierre Michel André Philippe Alain Bernard Jacques Daniel Éric Christophe Nicolas Frédéric Laurent "
    "David Sébastien Julien Thomas Maxime Antoine Hugo Louis Gabriel Raphaël Lucas Théo Mathis Noël François "
    "Jérôme Gaël Loïc Benoît Clément Rémi Jean-Pierre Jean-Luc Jean-François Marc-Antoine Yanis Malik Aurélien"
)
FRENCH_WOMEN = _words(
    "Marie Nathalie Isabelle Sylvie Catherine Françoise Monique Martine Valérie Sandrine Stéphanie Céline "
    "Julie Aurélie Camille Manon Léa Chloé Emma Jade Louise Alice Zoé Inès Anaïs Hélène Élodie Agnès Noémie "
    "Maëlle Gaëlle Solène Anne-Marie Marie-Claire Anne-Sophie Marie-Noëlle Fatima Yasmine Clémence Océane "
    "Mélanie Virginie"
)
FRENCH_LAST = _words(
    "Martin Bernard Dubois Thomas Robert Richard Petit Durand Leroy Moreau Simon Laurent Lefèvre Michel Garcia "
    "Bertrand Roux Vincent Fournier Morel Girard André Mercier Dupont Lambert Bonnet François Martinez Legrand "
    "Garnier Faure Rousseau Blanc Guérin Muller Roussel Nicolas Perrin Morin Mathieu Clément Gauthier Dumont "
    "Lopez Fontaine Chevalier Robin Masson Sanchez Noël Dufour Blanchard Brunet Giraud Rivière Arnaud Collet "
    "Lemaire Gérard Hervé Prévost Maréchal Béranger L'Hôte D'Alençon Le_Gall Le_Goff De_Sousa Benoît Besançon "
    "Crépin Bœuf Lebœuf Cœur O'Connor"
)
"""An underscore stands for a space."""
FRENCH_LAST_PARTS = (
    _words(
        "Beau Haut Bois Mont Clair Grand Belle Roche Font Char Mar Val Ger Ri Neuf Franc Per Cas"
    ),
    _words("mont champ lieu court ville bert ton din vert nier tier val fort dier lain quin"),
)

POLISH_MEN = _words(
    "Jan Andrzej Piotr Krzysztof Stanisław Tomasz Paweł Józef Marcin Marek Michał Grzegorz Jerzy Tadeusz Adam "
    "Łukasz Zbigniew Ryszard Dariusz Henryk Mariusz Kazimierz Wojciech Robert Mateusz Marian Rafał Jacek "
    "Janusz Mirosław Maciej Sławomir Jarosław Kamil Wiesław Roman Władysław Jakub Artur Zdzisław Przemysław "
    "Błażej"
)
POLISH_WOMEN = _words(
    "Anna Maria Katarzyna Małgorzata Agnieszka Barbara Krystyna Ewa Elżbieta Zofia Teresa Magdalena Joanna "
    "Janina Monika Danuta Jadwiga Aleksandra Halina Irena Beata Marta Dorota Helena Karolina Grażyna Jolanta "
    "Iwona Marianna Natalia Justyna Bożena Żaneta Łucja Stanisława Kinga Zuzanna Oliwia Wiktoria Róża "
    "Bronisława Świętosława"
)
POLISH_LAST = _words(
    "Nowak Kowalski Wiśniewski Wójcik Kowalczyk Kamiński Lewandowski Zieliński Szymański Woźniak Dąbrowski "
    "Kozłowski Jankowski Mazur Wojciechowski Kwiatkowski Krawczyk Kaczmarek Piotrowski Grabowski Zając "
    "Pawłowski Michalski Król Wieczorek Jabłoński Wróbel Nowakowski Majewski Olszewski Stępień Malinowski "
    "Jaworski Adamczyk Dudek Nowicki Pawlak Górski Witkowski Walczak Sikora Baran Rutkowski Michalak Szewczyk "
    "Ostrowski Tomaszewski Pietrzak Zalewski Wróblewski Marciniak Jasiński Zawadzki Bąk Jakubowski Sadowski "
    "Duda Włodarczyk Chmielewski Borkowski Sokołowski Szczepański Żak Łoś Ćwikła Śliwa Źrebiec Gołąb Pająk "
    "Kłos"
)
POLISH_LAST_PARTS = (
    _words(
        "Bor Lip Dęb Sosn Brzoz Grab Klon Mal Zar Kos Rad Mil Tur Gór Sław Bran Woł Krzem Ost Łęk"
    ),
    _words("owski iński ecki czyk ewicz ak owicz as"),
)

FRENCH_TOWNS: tuple[tuple[str, str, str], ...] = (
    ("Lyon", "69001 69002 69003 69004 69005 69006 69007 69008 69009", "4"),
    ("Paris", "75001 75004 75009 75010 75011 75012 75013 75014 75015 75017 75018 75019 75020", "1"),
    ("Marseille", "13001 13002 13004 13005 13006 13008 13009 13012 13013 13016", "4"),
    ("Lille", "59000 59160 59260 59777 59800", "3"),
    ("Nantes", "44000 44100 44200 44300", "2"),
    ("Toulouse", "31000 31100 31200 31300 31400 31500", "5"),
    ("Nice", "06000 06100 06200 06300", "4"),
    ("Strasbourg", "67000 67100 67200", "3"),
    ("Montpellier", "34000 34070 34080 34090", "4"),
    ("Bordeaux", "33000 33100 33200 33300 33800", "5"),
    ("Rennes", "35000 35200 35700", "2"),
    ("Reims", "51100", "3"),
    ("Saint-Étienne", "42000 42100 42230", "4"),
    ("Le Havre", "76600 76610 76620", "2"),
    ("Grenoble", "38000 38100", "4"),
    ("Dijon", "21000", "3"),
    ("Angers", "49000 49100", "2"),
    ("Villeurbanne", "69100", "4"),
    ("Le Mans", "72000 72100", "2"),
    ("Aix-en-Provence", "13080 13090 13100 13290 13540", "4"),
    ("Brest", "29200", "2"),
    ("Tours", "37000 37100 37200", "2"),
    ("Amiens", "80000 80080 80090", "3"),
    ("Limoges", "87000 87100 87280", "5"),
    ("Clermont-Ferrand", "63000 63100", "4"),
    ("Besançon", "25000", "3"),
    ("Metz", "57000 57050 57070", "3"),
    ("Orléans", "45000 45100", "2"),
    ("Rouen", "76000 76100", "2"),
    ("Mulhouse", "68100 68200", "3"),
    ("Caen", "14000", "2"),
    ("Nancy", "54000 54100", "3"),
    ("Bourg-en-Bresse", "01000", "4"),
    ("Villefranche-sur-Saône", "69400", "4"),
    ("L'Isle-d'Abeau", "38080", "4"),
    ("Chambéry", "73000", "4"),
    ("La Rochelle", "17000", "5"),
    ("Évreux", "27000", "2"),
    ("Cœuilly", "94500", "1"),
)
"""Town, its postal codes, and the first digit of its telephone numbers."""

POLISH_TOWNS: tuple[tuple[str, str, str], ...] = (
    ("Warszawa", "00 01 02 03 04", "22"),
    ("Kraków", "30 31", "12"),
    ("Łódź", "90 91 92 93 94", "42"),
    ("Wrocław", "50 51 52 53 54", "71"),
    ("Poznań", "60 61", "61"),
    ("Gdańsk", "80", "58"),
    ("Szczecin", "70 71", "91"),
    ("Bydgoszcz", "85", "52"),
    ("Lublin", "20", "81"),
    ("Białystok", "15", "85"),
    ("Katowice", "40", "32"),
    ("Gdynia", "81", "58"),
    ("Kielce", "25", "41"),
    ("Rzeszów", "35", "17"),
    ("Olsztyn", "10", "89"),
    ("Zielona Góra", "65", "68"),
    ("Opole", "45", "77"),
    ("Koszalin", "75", "94"),
    ("Toruń", "87-100", "56"),
    ("Częstochowa", "42-200 42-202 42-215 42-218 42-229", "34"),
    ("Radom", "26-600 26-604 26-610 26-615 26-618", "48"),
    ("Bielsko-Biała", "43-300 43-309 43-316 43-346", "33"),
    ("Gliwice", "44-100 44-109 44-117 44-121", "32"),
    ("Gorzów Wielkopolski", "66-400", "95"),
    ("Jelenia Góra", "58-500 58-506 58-560", "75"),
    ("Nowy Sącz", "33-300 33-302", "18"),
    ("Łomża", "18-400", "86"),
    ("Świdnica", "58-100 58-105", "74"),
)
"""Town, its postal codes or the districts before their dash, and its area code."""

FRENCH_STREETS = _phrases(
    "rue de la République|rue Victor-Hugo|avenue Jean-Jaurès|boulevard Gambetta|place de l'Église|"
    "rue des Écoles|rue Pasteur|allée des Tilleuls|chemin du Moulin|impasse des Lilas|quai de Saône|"
    "cours Lafayette|rue du 8-Mai-1945|rue du 11-Novembre|avenue du Général-Leclerc|rue de la Gare|"
    "montée Saint-Barthélemy|rue Émile-Zola|place d'Armes|rue de l'Abbé-Grégoire|route de Vienne|"
    "rue Hector-Berlioz|boulevard de l'Europe|rue Marie-Curie|passage du Cœur"
)
POLISH_STREETS = _phrases(
    "ul. Polna|ul. Leśna|ul. Słoneczna|ul. Krótka|ul. Szkolna|ul. Ogrodowa|ul. Lipowa|ul. Brzozowa|ul. Łąkowa|"
    "ul. Kwiatowa|ul. Kościelna|ul. 3 Maja|ul. 11 Listopada|al. Jana Pawła II|ul. Mickiewicza|"
    "ul. Tadeusza Kościuszki|pl. Wolności|ul. Świętokrzyska|al. Niepodległości|ul. Żeromskiego|os. Tysiąclecia|"
    "ul. Piłsudskiego|ul. Źródlana|ul. Henryka Sienkiewicza|rynek Główny"
)

FRENCH_TRADES = _phrases(
    "Boulangerie|Garage|Menuiserie|Plomberie|Pharmacie|Librairie|Fleurs|Transports|Maçonnerie|Électricité|"
    "Crêperie|Ébénisterie|Pâtisserie|Traiteur|Imprimerie|Jardins"
)
FRENCH_FORMS = ("SARL", "SAS", "S.A.", "EURL", "& Fils", "et Cie")
POLISH_TRADES = _phrases(
    "Piekarnia|Warsztat|Stolarnia|Hydraulika|Apteka|Księgarnia|Kwiaciarnia|Transport|Usługi Budowlane|"
    "Elektryka|Cukiernia|Drukarnia|Ogrody|Hurtownia|Biuro Rachunkowe|Żegluga"
)
POLISH_FORMS = ("Sp. z o.o.", "S.A.", "s.c.", "sp.j.", "P.H.U.", "i Synowie")
